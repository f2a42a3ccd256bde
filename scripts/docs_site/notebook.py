"""A notebook as a page: its text, its code, and what its cells showed when it was last run and stored."""

import base64
from pathlib import Path

import nbformat


def page(path: Path) -> tuple[str, dict[str, bytes]]:
    """Markdown of a notebook, and the pictures in it by file name.

    Args:
        path: of the .ipynb file.
    """
    parts, pictures = [], dict[str, bytes]()
    for number, cell in enumerate(nbformat.read(path, as_version=4).cells):
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        elif cell.cell_type == "code":
            parts.append(f"```python\n{cell.source}\n```")
            for output in cell.outputs:
                parts += _shown(output, f"{path.stem}-{number}", pictures)
    parts.append(f"*This page is the notebook [{path.name}]({path.name}); run it where `normfree` is installed.*")
    return "\n\n".join(parts) + "\n", pictures


def _shown(output: nbformat.NotebookNode, name: str, pictures: dict[str, bytes]) -> list[str]:
    if output.output_type == "stream":
        return [f"```text\n{output.text.rstrip()}\n```"]
    data = output.get("data", {})
    if "image/png" in data:
        file = f"{name}-{len(pictures)}.png"
        pictures[file] = base64.b64decode(data["image/png"])
        return [f"![What the cell draws]({file})"]
    if "text/html" in data:
        return [f'<div class="output" markdown="0">{data["text/html"]}</div>']
    if "text/plain" in data:
        return [f"```text\n{data['text/plain']}\n```"]
    return []
