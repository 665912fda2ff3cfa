"""The same routes on third-party session libraries; one file each, found by pkgutil."""
