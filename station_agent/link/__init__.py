"""The station's side of the line to the hub: MQTT, and the inbox of signed orders."""
