"""A notebook as a page: its text, its code, and what its cells showed when it was last run and stored."""

from pathlib import Path

import nbformat


def page(path: Path) -> str:
    """Markdown of a notebook; its pictures are in it.

    Args:
        path: of the .ipynb file.
    """
    parts = []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        elif cell.cell_type == "code":
            parts.append(f"```python\n{cell.source}\n```")
            parts += [shown for output in cell.outputs if (shown := _shown(output))]
    parts.append(f"*This page is the notebook `docs/{path.name}`; run it where `normfree` is installed.*")
    return "\n\n".join(parts) + "\n"


def _shown(output: nbformat.NotebookNode) -> str:
    if output.output_type == "stream":
        return f"```text\n{output.text.rstrip()}\n```"
    data = output.get("data", {})
    if "image/png" in data:
        content = "".join(data["image/png"].split())
        return f'<img alt="What the cell draws" src="data:image/png;base64,{content}">'
    if "text/plain" in data:
        return f"```text\n{data['text/plain']}\n```"
    return ""
