"""The words of the field as values: aircraft, airports, instants, certainty, events, sources. Pure."""
