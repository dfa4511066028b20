/**
 * CamVid's class for each class of a rendered scene, which are Cityscapes' train ids: road, sidewalk, building, wall, fence,
 * pole, light, sign, vegetation, terrain, sky, person, rider, car, truck, bus, train, motorcycle, bicycle.
 */
export const camvidClassOf: readonly number[] = [3, 4, 1, 7, 7, 2, 6, 6, 5, 5, 0, 9, 10, 8, 8, 8, 8, 8, 10];
