"""What the ledger's facts imply: merge, pending, base, owed, verdicts, spend.

Everything here is computed from facts and nothing is stored twice; the same facts give the same
answers in any order.
"""
