from realtime import JointState, PoseClient

for pose in PoseClient("tcp://127.0.0.1:5555"):
    print(pose)  # one line: source, frame, status, how many joints are in which state
    for person in pose.people:
        wrist = person["right_wrist"]
        x, y, z = wrist.xyz  # m from the pelvis: right, down, away from the camera
        print(person.id, f"{x:.2f} {y:.2f} {z:.2f}", wrist.state.name, f"±{wrist.sigma:.2f} m")
        print(person.id, (person.state == JointState.OBSERVED).sum(), "joints are seen now")
