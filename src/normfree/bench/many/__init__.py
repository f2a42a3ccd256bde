"""Many small runs at once: k of them as one program, and what they are measured beside."""
