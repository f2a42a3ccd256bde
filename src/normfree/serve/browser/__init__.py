"""A small local page for the cameras of browsers: Starlette, no build step, nothing from elsewhere."""
