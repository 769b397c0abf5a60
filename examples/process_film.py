"""Every frame of a film as a pose, without a server: python examples/process_film.py clip.mp4 [people]"""

import sys

from realtime import JointState, process

film, people = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1
for pose in process(film, people=people, height=1.78):
    for person in pose.people:
        wrist = person["right_wrist"]
        if wrist.state <= JointState.INFERRED:  # seen now, or answered by the network for less than a second
            print(pose.stamp.seq, person.id, wrist)
