"""What screens are made of: sheets of lines, filter lines, the detail of a lane, the footer, bars and trends."""
