"""HTTP to providers: connections, streams, and what their errors mean."""
