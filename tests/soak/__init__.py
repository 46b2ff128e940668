"""Hours in small: a steady load on the real server process, whose memory has to stay where it is (docs/development.md)."""
