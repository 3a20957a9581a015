"""The dashboard of lanes, for a terminal. It adds the command ``lanes dashboard``.

It makes no decisions: it shows the data of one source (``source``), and passes requests on to it.
"""
