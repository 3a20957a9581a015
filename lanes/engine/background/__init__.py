"""Background threads, and isolation from exceptions of foreign code."""
