"""What a run is given while it works: answers to its questions, and texts that are meant for it.

Both are waiting messages that name the open run (``for_run``). The run takes them one by one, each in one transaction
that its ticket guards: then the message is ``done``, answered by the message of the run. What a run has not taken when
it ends waits on as an ordinary message.
"""
