"""Amounts of money as people read them."""


def dollars(micros: int) -> str:
    """Millionths of a US dollar: ``$12.34``, and small amounts with two digits that count, ``$0.0012``."""
    amount = micros / 1_000_000
    digits = 2 if micros == 0 or amount >= 0.1 else 4 if amount >= 0.001 else 6
    return f"${amount:,.{digits}f}"
