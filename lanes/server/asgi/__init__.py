"""The HTTP server below the routes: sockets, protocol, guard, routing, bodies, errors."""
