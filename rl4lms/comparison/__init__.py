"""Two finished runs beside each other: what differs between them, and which differences of score are real."""
