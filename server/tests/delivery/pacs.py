"""A PACS of few words, by pynetdicom: pacs.py PORT [OPTION..]

Prints `stored UID STATUS` for each C-STORE, `asked TRANSACTION COUNT` for each request for storage commitment.

  no=CLASS            does not accept this SOP class
  answer=CLASS:A,B,C  answers C-STORE of this class with these statuses (hexadecimal), one after the other;
                      the last one for ever
  commit              does storage commitment, and reports on the association of the request
  mute=N              takes so many requests for storage commitment without ever answering them
"""

import sys

from pydicom.dataset import Dataset
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification

PORT = int(sys.argv[1])
OPTIONS = [option.partition("=")[::2] for option in sys.argv[2:]]
REFUSED = [value for name, value in OPTIONS if name == "no"]
ANSWERS = {}
for name, value in OPTIONS:
    if name == "answer":
        sop_class, _, statuses = value.partition(":")
        ANSWERS[sop_class] = [int(status, 16) for status in statuses.split(",")]
mute = sum(int(value) for name, value in OPTIONS if name == "mute")
pending = []


def stored(event):
    statuses = ANSWERS.get(event.request.AffectedSOPClassUID, [0])
    status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
    print("stored", event.request.AffectedSOPInstanceUID, f"{status:04X}", flush=True)
    return status


def asked(event):
    global mute
    request = event.action_information
    print("asked", request.TransactionUID, len(request.ReferencedSOPSequence), flush=True)
    if mute:
        mute -= 1
    else:
        pending.append((event.assoc, request))
    return 0x0000, None


def sent(event):
    """After the answer to the N-ACTION, on the same association: its report."""
    if not pending or not getattr(event.pdu, "presentation_data_value_items", None):
        return
    assoc, request = pending.pop()
    report = Dataset()
    report.TransactionUID = request.TransactionUID
    report.ReferencedSOPSequence = request.ReferencedSOPSequence
    # In the thread of the association, which is free once this message is out.
    import threading

    def tell():
        status, _ = assoc.send_n_event_report(
            report, 1, StorageCommitmentPushModel, "1.2.840.10008.1.20.1.1"
        )
        print("reported", f"{status.Status:04X}", flush=True)

    threading.Timer(0.1, tell).start()


ae = AE("PACS")
for context in AllStoragePresentationContexts:
    if context.abstract_syntax not in REFUSED:
        ae.add_supported_context(context.abstract_syntax)
ae.add_supported_context(Verification)
if any(name == "commit" for name, _ in OPTIONS):
    ae.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
handlers = [(evt.EVT_C_STORE, stored), (evt.EVT_N_ACTION, asked), (evt.EVT_PDU_SENT, sent)]
ae.start_server(("127.0.0.1", PORT), evt_handlers=handlers)
