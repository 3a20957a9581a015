"""The screens that open over the main one: a lane, the journal, the owners, the providers, the dead
letters, the groups; and their bases.
"""
