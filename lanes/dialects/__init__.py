"""The dialects of model APIs: what lanes understands of a request and of an answer, and how each API words it.

``model`` is the inner model. Each dialect is a package that translates from it and to it, in both roles: as a
provider, which lanes asks, and as the API that a client speaks to lanes. Nothing here does input or output. A request
or an answer whose both sides speak the same dialect is not translated: it passes with every field, known or not.
"""
