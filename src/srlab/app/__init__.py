"""A web page on this computer that enlarges a photo."""
