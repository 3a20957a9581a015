"""The reconciler, which releases lanes that their owners have lost, and the abort of runs."""
