"""An interpreter for the Python blocks of a page: a line that it is sent is one, in JSON; a mark ends the answer."""

import json
import sys
import traceback

MARK = "-- end of block --"

if __name__ == "__main__":
    main = sys.modules["__main__"]
    # As in a notebook, whose names are those of no file.
    del main.__file__
    sys.path[0], sys.argv[:] = "", [""]
    names = {"__name__": "__main__", "__builtins__": __builtins__}
    for number, line in enumerate(sys.stdin):
        try:
            exec(compile(json.loads(line), f"<block {number + 1}>", "exec"), names)
        except Exception:
            traceback.print_exc(file=sys.stdout)
            print(f"{MARK} failed", flush=True)
        else:
            print(MARK, flush=True)
