"""The terminal dashboard of lanes: the command ``lanes dashboard``.

It makes no decisions: it shows the data of one source (``lanes_tui.sources.source``), and passes requests on to it.
"""
