"""The dashboard in a browser: one process for each tab, behind a server on loopback that asks for a token.

``textual-serve`` (the extra ``web``) gives the terminal that runs in the browser, as files; its own server is not used,
since it checks neither Host, Origin nor a token, and lets files be fetched from it.
"""
