"""The dashboard in a browser: one process for each tab, behind a server on loopback that asks for a token.

``textual-serve`` (the extra ``web``) provides the files of the terminal that runs in the browser. Its own server is not
used: it checks neither Host nor Origin nor a token, and lets files be fetched from it.
"""
