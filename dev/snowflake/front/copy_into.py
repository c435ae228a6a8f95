from .errors import unsupported
def copy_into_table(session, tree, sql): raise unsupported("COPY INTO table")
