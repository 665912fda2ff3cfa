"""What a report says, before anybody lays it out: rows, cells, sentences and notes, shared by all exporters."""
