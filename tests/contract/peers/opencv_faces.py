"""OpenCV on photos: the faces that it finds with YuNet, and the widest one upright.

    python opencv_faces.py YUNET SIDE_PX SCORE_MIN OVERLAP_MAX OUT
    standard input: the template as x,y;x,y;... in the first line, then a photo a line

The picture lies in the corner of a black square of SIDE_PX, as the station searches it. Answers go to OUT (.npz):
`faces_N` (rows of OpenCV: box, five landmarks, score) and `chip_N` (112x112, RGB, by least-squares similarity).
"""

import sys

import cv2
import numpy as np

yunet, side, score_min, overlap_max, out = sys.argv[1:]
side = int(side)
first, *photos = sys.stdin.read().splitlines()
template = np.array([[float(x) for x in pair.split(",")] for pair in first.split(";")], np.float32)
detector = cv2.FaceDetectorYN.create(yunet, "", (side, side), float(score_min), float(overlap_max))
answers = {}
for i, photo in enumerate(photos):
    picture = cv2.imread(photo)
    square = np.zeros((side, side, 3), np.uint8)
    square[: picture.shape[0], : picture.shape[1]] = picture
    _, faces = detector.detect(square)
    answers[f"faces_{i}"] = faces if faces is not None else np.zeros((0, 15), np.float32)
    if faces is not None:
        widest = faces[faces[:, 2].argmax()]
        points, goal = widest[4:14].reshape(5, 2).astype(np.float64), template.astype(np.float64)
        rows = [[x, -y, 1, 0] for x, y in points] + [[y, x, 0, 1] for x, y in points]
        wanted = np.concatenate([goal[:, 0], goal[:, 1]])
        _, solved = cv2.solve(np.array(rows), wanted.reshape(-1, 1), flags=cv2.DECOMP_SVD)
        a, b, tx, ty = solved.ravel()
        upright = cv2.warpAffine(picture, np.array([[a, -b, tx], [b, a, ty]]), (112, 112), flags=cv2.INTER_LINEAR)
        answers[f"chip_{i}"] = cv2.cvtColor(upright, cv2.COLOR_BGR2RGB)
np.savez(out, **answers)
