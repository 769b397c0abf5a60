"""`realtime batch`: many films, by processes of this machine or on a cluster."""
