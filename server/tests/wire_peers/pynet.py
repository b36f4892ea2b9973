"""A DICOM node by pynetdicom, with or without TLS.

  pynet.py send PORT CALLING CALLED FILE..   C-ECHO, then C-STORE of each; prints each status
  pynet.py serve CALLED                      prints its port, then `echo` for each C-ECHO, until killed

With TLS if CERTIFICATE, KEY and TRUSTED are in the environment; prints `refused` if there is no association.
"""

import os
import ssl
import sys

import pydicom
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification


def tls(side):
    if "TRUSTED" not in os.environ:
        return None
    context = ssl.SSLContext(side)
    context.check_hostname = side == ssl.PROTOCOL_TLS_CLIENT
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(os.environ["TRUSTED"])
    if "CERTIFICATE" in os.environ:
        context.load_cert_chain(os.environ["CERTIFICATE"], os.environ["KEY"])
    return context


def send(port, calling, called, *files):
    ae = AE(calling)
    ae.add_requested_context(Verification)
    for file in files:
        meta = pydicom.dcmread(file, stop_before_pixels=True).file_meta
        ae.add_requested_context(meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID)
    context = tls(ssl.PROTOCOL_TLS_CLIENT)
    arguments = (context, "localhost") if context else None
    association = ae.associate("127.0.0.1", int(port), ae_title=called, tls_args=arguments)
    if not association.is_established:
        print("refused")
        return
    print(f"{association.send_c_echo().Status:04X}")
    for file in files:
        print(f"{association.send_c_store(file).Status:04X}")
    association.release()


def serve(called):
    def echoed(event):
        print("echo", flush=True)
        return 0x0000

    ae = AE(called)
    ae.add_supported_context(Verification)
    context = tls(ssl.PROTOCOL_TLS_SERVER)
    handlers = [(evt.EVT_C_ECHO, echoed)]
    server = ae.start_server(("127.0.0.1", 0), block=False, ssl_context=context, evt_handlers=handlers)
    print(server.socket.getsockname()[1], flush=True)
    sys.stdin.read()


globals()[sys.argv[1]](*sys.argv[2:])
