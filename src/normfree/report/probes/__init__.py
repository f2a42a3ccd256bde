"""Pages and figures of probes."""
