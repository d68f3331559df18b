"""How a station is put together: one module a subject, each told by its constructor what it stands on.

    ground --> devices, announcer --> entrance --> faces --> hub_link --> heartbeat

`station_agent.station` makes them in this order; a part knows those before it and nothing of those behind it.
"""
