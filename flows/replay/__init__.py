"""The recorded day: a loopback server that answers as the publishers did, on a clock of its own."""
