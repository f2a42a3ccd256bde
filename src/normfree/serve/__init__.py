"""Networks at work: on files, videos and cameras, in a window and on a local web page."""
