"""Let browsers and other programs of this machine in over HTTP and WebSocket, and keep everybody else out."""
