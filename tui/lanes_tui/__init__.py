"""The dashboard of lanes, for a terminal. It adds the command ``lanes dashboard``.

Nothing here decides anything: it shows what one data source tells (``source``), and hands on what is asked of it.
"""
