"""The HTTP front of OpenViking: an ASGI application over an engine, and the process that serves it.

from openviking_asgi.app import create_app      # the application, as a plain value
from openviking_asgi.server import serve        # uvicorn around it, until a signal arrives
"""
