"""The auditor: what a session backend must get right, tried from outside, over HTTP, on any subject."""
