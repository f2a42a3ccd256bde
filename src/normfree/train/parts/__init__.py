"""What a configuration names, made: network, clipper, optimizer. Needs no Lightning, so that a plan is quick."""
