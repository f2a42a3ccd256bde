"""The roof: every command, from what is typed to an exit code. `main` is the door, a file each what lies behind it."""
