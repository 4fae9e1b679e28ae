"""Videos and cameras: frames, people, readings, tables, annotated copies."""
