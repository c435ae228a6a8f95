from .errors import unsupported
def copy_into_location(session, tree, sql): raise unsupported("COPY INTO location")
