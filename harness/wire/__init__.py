"""Readers of the stores' protocols: what a stream of bytes asked for, without a socket."""
