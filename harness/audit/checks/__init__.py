"""The checks of an audit, by what they are about; each function is one."""
