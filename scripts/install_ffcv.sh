#!/usr/bin/env bash
# Builds FFCV into .venv, with the Debian or Ubuntu packages that it needs. `make ffcv` calls this.
set -euo pipefail
cd "$(dirname "$0")/.."
packages=(g++ pkg-config libturbojpeg0-dev libopencv-imgproc-dev)
python=.venv/bin/python

compiles() {
  # shellcheck disable=SC2046
  printf '#include <turbojpeg.h>\n#include <opencv2/opencv.hpp>\n' \
    | c++ -x c++ -fsyntax-only $(pkg-config --cflags libturbojpeg opencv4) - 2>/dev/null
}

if "$python" -c 'import ffcv' 2>/dev/null; then
  echo "ffcv is installed"
  exit 0
fi

# FFCV asks for all of OpenCV (200 packages) and uses two of its libraries (a dozen). These files say so to its build;
# where all of OpenCV is installed they change nothing.
shim=$PWD/build/ffcv
mkdir -p "$shim/opencv2"
printf '#include <opencv2/core.hpp>\n#include <opencv2/imgproc.hpp>\n' > "$shim/opencv2/opencv.hpp"
printf 'Name: opencv4\nDescription: core and imgproc\nVersion: 4\nCflags: -I%s -I/usr/include/opencv4\nLibs: -lopencv_imgproc -lopencv_core\n' \
  "$shim" > "$shim/opencv4.pc"
export PKG_CONFIG_PATH=${PKG_CONFIG_PATH:+$PKG_CONFIG_PATH:}$shim

if ! compiles; then
  if ! command -v apt-get > /dev/null; then
    echo "make ffcv: install a C++ compiler, pkg-config, and libturbojpeg and OpenCV with their headers; then again" >&2
    exit 2
  fi
  root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo > /dev/null || { echo "make ffcv: as root, apt-get install ${packages[*]}; then again" >&2; exit 2; }
    root=(sudo)
  fi
  "${root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install -qq -y --no-install-recommends "${packages[@]}" > /dev/null
  compiles || { echo "make ffcv: turbojpeg.h or opencv2/imgproc.hpp is missing after apt-get install ${packages[*]}" >&2; exit 2; }
fi

# The headless build of OpenCV's Python package serves FFCV too; both at once would overwrite each other.
echo "opencv-python ; python_version < '3'" > "$shim/overrides.txt"
.venv/bin/uv pip install --quiet --python "$python" --constraint constraints.txt --overrides "$shim/overrides.txt" \
  --compile-bytecode --requirement pyproject.toml --extra ffcv
"$python" -c 'import ffcv'
echo "ffcv is installed"
