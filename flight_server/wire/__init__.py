"""Bytes on the wire: messages, handles and error texts. The only room that knows protobuf.

The generated module is made by
`python -m grpc_tools.protoc -I . --python_out=. flight_server/wire/flight_sql.proto`
(grpcio-tools, needed only for that); it asks for a protobuf runtime at least as new as the generator.
"""
