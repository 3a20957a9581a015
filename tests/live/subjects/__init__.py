"""What ``make live`` tries, one module each."""
