"""Read a video with the package ``fer``, each frame; print frames a second and CPU milliseconds a frame as JSON.

Run by ``live_path.py --fer-python`` with the Python of an environment of its own, which has no fernb.
"""

import json
import sys
import time
from importlib.metadata import version

import cv2


def main() -> None:
    from fer.fer import FER

    detector, stream, count = FER(mtcnn=False), cv2.VideoCapture(sys.argv[1]), 0
    start, cpu = time.perf_counter(), time.process_time()
    while True:
        found, bgr = stream.read()
        if not found:
            break
        detector.detect_emotions(bgr)
        count += 1
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    figures = {"version": version("fer"), "frames_per_s": count / wall, "cpu_ms_a_frame": 1000 * cpu / count}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
