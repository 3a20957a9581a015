"""What is done to a campaign besides kills, by name."""

from tests.proof.campaign.campaign import Harm
from tests.proof.campaign.harms.files import Replaced, Restored, Taken
from tests.proof.campaign.harms.programs import Misbehaving, Nosy
from tests.proof.campaign.harms.shortages import FewDescriptors, FullDisk, UnreadLog
from tests.proof.campaign.worlds import DATABASE, LOG, MEMORY, PARTS

HARMS: dict[str, Harm] = {
    "database deleted": Taken((DATABASE,)),
    "log deleted": Taken((LOG,)),
    "shared memory deleted": Taken((MEMORY,), for_good=True),
    "all deleted": Taken(PARTS),
    "deleted for good": Taken(PARTS, for_good=True),
    "replaced": Replaced(),
    "replaced for good": Replaced(for_good=True),
    "restored": Restored(),
    "full disk": FullDisk(),
    "few descriptors": FewDescriptors(),
    "unread log": UnreadLog(),
    "nosy reader": Nosy(),
    "misbehaving embedder": Misbehaving(),
}
